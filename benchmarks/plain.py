"""A plain training loop, as in the published project: DataLoader over JPEG files, float32, Adam.

It reads the loss after each step. `benchmarks.train` runs it as a process of its own, so that our settings of threads
and memory do not reach it.

python -m benchmarks.plain FOLDER --batch-size 128
"""

import argparse
import time
from pathlib import Path

import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from catvae.images import to_tensor
from catvae.model import CatVAE, beta_elbo


class JpegFolder(Dataset):
    def __init__(self, folder: Path) -> None:
        self.files = sorted(folder.glob("*.jpg"))

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> torch.Tensor:
        return to_tensor([Image.open(self.files[index]).convert("RGB").resize((64, 64))])[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--workers", type=int, default=0, help="of the DataLoader")
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()

    model = CatVAE().to(args.device)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    loader = DataLoader(JpegFolder(args.folder), args.batch_size, shuffle=True, num_workers=args.workers)
    started, seen, total = time.monotonic(), 0, 0.0
    for x in loader:
        x = x.to(args.device)
        optimizer.zero_grad()
        logits, mu, logvar = model(x)
        loss = beta_elbo(logits, x, mu, logvar, 0.005)[0].mean()
        loss.backward()
        optimizer.step()
        total += loss.item()
        seen += len(x)
    print(f"loss {total / len(loader):.1f}, {seen / (time.monotonic() - started):.0f} images/s")


if __name__ == "__main__":
    main()
