"""What runs on a GPU machine: is it right, how fast is it, against what. Start: `python -m asv_bench.gpu`."""
