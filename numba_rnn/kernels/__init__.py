"""The machines that run cells over time; none of them names a cell."""
