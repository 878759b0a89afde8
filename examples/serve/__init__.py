"""A websocket service for live streams: `python -m examples.serve MODEL`; README.md beside this file tells the rest."""
