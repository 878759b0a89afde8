"""Write the golden files of PyTorch: small recurrent modules that PyTorch saved, with inputs and PyTorch's own outputs.

    python tests/golden/make_torch.py

Each case gives `torch/NAME.safetensors` (or `.pt`, `.pth`) and `torch/NAME.npz`: `x` (B, T, D), `y`, and the last states `h_n` and
`c_n` as PyTorch shapes them; of a cell `x` (B, D), `h`, `c`, and the new states `h_n`, `c_n`. Options that a file does not tell
(`prefix`, `nonlinearity`) are in `CASES`, which the tests read from here: PyTorch is imported in `main` alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

HERE = Path(__file__).parent / "torch"
B, T, D, H = 2, 5, 3, 4

# file -> (class, arguments of the class, arguments of `from_torch`, dtype of the weights)
CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any], str]] = {
    "rnn_relu.safetensors": ("RNN", {"num_layers": 2, "nonlinearity": "relu"}, {"nonlinearity": "relu"}, "float32"),
    "rnn_no_bias.safetensors": ("RNN", {"bias": False, "bidirectional": True}, {}, "float32"),
    "lstm.safetensors": ("LSTM", {}, {}, "float32"),
    "lstm_deep.safetensors": ("LSTM", {"num_layers": 3, "bidirectional": True, "dropout": 0.4}, {}, "float32"),
    "lstm_float64.safetensors": ("LSTM", {"num_layers": 2, "batch_first": True}, {}, "float64"),
    "lstm_projected.safetensors": ("LSTM", {"num_layers": 2, "proj_size": 2, "bidirectional": True}, {}, "float32"),
    "gru.safetensors": ("GRU", {"num_layers": 2, "bidirectional": True}, {}, "float32"),
    "gru_bfloat16.safetensors": ("GRU", {}, {"prefix": "net.decoder"}, "bfloat16"),
    "gru_no_bias_float16.safetensors": ("GRU", {"bias": False, "num_layers": 2}, {}, "float16"),
    "rnn_cell.safetensors": ("RNNCell", {}, {"prefix": "cell."}, "float32"),
    "lstm_cell.safetensors": ("LSTMCell", {}, {}, "float32"),
    "gru_cell.safetensors": ("GRUCell", {"bias": False}, {}, "float32"),
    "lstm.pt": ("LSTM", {"num_layers": 2}, {}, "float32"),
    "gru_checkpoint.pth": ("GRU", {"bidirectional": True}, {"prefix": "state_dict.encoder"}, "float32"),
    "lstm_old_format.pt": ("LSTM", {"proj_size": 3}, {}, "float16"),
}


def main() -> None:
    import numpy as np
    import torch
    from safetensors.torch import save_file

    HERE.mkdir(exist_ok=True)
    for seed, (file, (name, arguments, options, dtype)) in enumerate(CASES.items()):
        torch.manual_seed(seed)
        module = getattr(torch.nn, name)(D, H, **arguments).eval()
        for weight in module.parameters():
            torch.nn.init.normal_(weight, 0.0, 0.5)
        module = module.to(getattr(torch, dtype))
        prefix = options.get("prefix", "").rstrip(".")
        state = {f"{prefix}.{key}" if prefix else key: value for key, value in module.state_dict().items()}
        if prefix:
            state[f"{prefix.rpartition('.')[0]}head.weight"] = torch.ones(2, H)
        if file.endswith(".safetensors"):
            save_file(state, HERE / file, metadata={"format": "pt"})
        elif file.endswith(".pth"):
            inner = {key.removeprefix("state_dict."): value for key, value in state.items()}
            torch.save({"epoch": 7, "state_dict": inner, "optimizer": {"state": {0: torch.ones(2)}}}, HERE / file)
        else:
            torch.save(state, HERE / file, _use_new_zipfile_serialization="old" not in file)
        # Outputs are those of the stored weights in wide arithmetic: narrow arithmetic is not what they stand for.
        module = module.to(torch.float64 if dtype == "float64" else torch.float32)
        weights = next(module.parameters())
        with torch.no_grad():
            if name.endswith("Cell"):
                x, h, c = torch.randn(B, D), torch.randn(B, H), torch.randn(B, H)
                after = module(x, (h, c) if name == "LSTMCell" else h)
                arrays = {"x": x, "h": h, "c": c}
            else:
                x = torch.randn(B, T, D, dtype=weights.dtype)
                first = arguments.get("batch_first", False)
                y, after = module(x if first else x.transpose(0, 1))
                arrays = {"x": x, "y": y if first else y.transpose(0, 1)}
        arrays.update(zip(("h_n", "c_n"), after if isinstance(after, tuple) else (after,), strict=False))
        np.savez(HERE / f"{file}.npz", **{key: value.numpy() for key, value in arrays.items()})


if __name__ == "__main__":
    main()
