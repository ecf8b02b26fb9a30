"""A painter of 128×128 pixels over v6 and v7, taught with the photos of a folder, beside v7 enlarged.

It goes on from where it was stopped. Figures are of 160 photos that it has not seen: LPIPS (VGG) and PSNR at 128×128.
"""

import argparse
import random
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from catvae.evaluation.perceptual import embed
from catvae.images import to_tensor
from catvae.metrics import psnr
from catvae.model import load_variant
from catvae.painter import Painter, Residual
from catvae.photos.decode import open_image
from catvae.photos.faces import adjust, align, best_face
from catvae.training.optim import average
from catvae.training.painter.features import load_feature_nets
from catvae.training.painter.losses import feature_distance, resize_and_shift

SIDE, TEST = 128, 160
EVERY = 250  # steps between looks at the unseen faces


class Painter128(Painter):
    """v7's and v6's pictures (N, 6, 64, 64) and the latents (N, D) to (N, 3, 128, 128)."""

    def __init__(self, latent_dim: int = 500, width: int = 32) -> None:
        super().__init__(latent_dim, width)
        self.enter = nn.Sequential(nn.Conv2d(6, width, 3, padding=1), Residual(width))
        self.coarse = self.coarse[:2]
        self.leave = nn.Conv2d(width, 24, 3, padding=1)
        self.last = nn.Sequential(nn.Conv2d(24 + 3, 24, 3, padding=1), nn.SiLU(), nn.Conv2d(24, 3, 3, padding=1))
        for parameter in self.last[-1].parameters():
            nn.init.zeros_(parameter)

    def forward(self, pictures: Tensor, z: Tensor) -> Tensor:
        h = self.enter(pictures)
        h = self.fine(h + self.up(self.coarse(self.down(h) + self.hint(z)[:, :, None, None])))
        h = F.interpolate(self.leave(h), scale_factor=2, mode="bilinear", align_corners=False)
        large = enlarge(pictures[:, :3])
        return large + self.last(torch.cat([F.silu(h), large], 1))


def enlarge(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bicubic", align_corners=False).clamp(0, 1)


@torch.no_grad()
def collect(folder: Path, views: int, v6, v7) -> dict[str, Tensor]:
    """Faces of at least 112 pixels: `views` cuts of each and their mirror images, with pictures and latents."""
    rng, found = random.Random(0), []
    for path in sorted(folder.glob("*.jpg")):
        photo = open_image(path)
        face = best_face(photo)
        if face.score and face.box[2] - face.box[0] >= 112:
            found.append((photo, face))
    rng.shuffle(found)
    parts = {"test": found[:TEST], "train": found[TEST:]}
    data = {}
    for part, photos in parts.items():
        large, small = [], []
        for photo, face in photos:
            for i in range(views if part == "train" else 1):
                gauss = lambda share: rng.gauss(0, share) if i else 0.0  # noqa: B023, E731
                moved = adjust(face, zoom=1 + gauss(0.04), right=gauss(0.02), down=gauss(0.02), turn=gauss(3))
                cut = [to_tensor([align(photo, moved, size)])[0] for size in (SIDE, 64)]
                large.append((255 * cut[0]).byte())
                small.append(cut[1])
                if part == "train":
                    large.append(large[-1].flip(-1))
                    small.append(small[-1].flip(-1))
        z, pictures = [], []
        for x in torch.stack(small).split(64):
            mu, _ = v6.encode(x)
            z.append(mu)
            pictures.append(torch.cat([v7.decode(mu), v6.decode(mu)], 1).half())
        data |= {
            f"{part}_large": torch.stack(large),
            f"{part}_z": torch.cat(z),
            f"{part}_pictures": torch.cat(pictures),
        }
        data[f"{part}_small"] = torch.stack(small)
        print(part, len(photos), "photos", len(large), "faces", flush=True)
    return data


def lpips(x: Tensor, y: Tensor) -> float:
    """LPIPS (VGG) of pictures (N, 3, H, W) in [0, 1], mean over them."""
    pairs = zip(x.split(16), y.split(16), strict=True)
    return float(torch.cat([(embed(a) - embed(b)).square().sum(1) for a, b in pairs]).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--out", type=Path, default=Path("build/paint128"))
    parser.add_argument("--views", type=int, default=4)
    parser.add_argument("--minutes", type=float, default=90)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--batch", type=int, default=8)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    v6, v7 = (load_variant(name) for name in ("v6", "v7"))
    cache = args.out / "faces.pt"
    if not cache.exists():
        torch.save(collect(args.photos, args.views, v6, v7), cache)
    data = torch.load(cache)
    test = data["test_large"].float() / 255
    for name, x in {
        "the face at 64×64": data["test_small"],
        "v7": data["test_pictures"][:, :3].float(),
        "v6": data["test_pictures"][:, 3:].float(),
    }.items():
        print(
            f"{name} enlarged: LPIPS {lpips(enlarge(x), test):.3f}, PSNR {psnr(enlarge(x), test).mean():.1f}",
            flush=True,
        )

    torch.manual_seed(0)
    painter, nets = Painter128(), load_feature_nets(torch.device("cpu"))
    print(sum(p.numel() for p in painter.parameters()), "parameters", flush=True)
    ema = AveragedModel(painter, avg_fn=lambda old, new, n: average(old, new, n, most=0.998))
    optimizer = torch.optim.Adam(painter.parameters(), lr=args.lr, betas=(0.5, 0.99))
    step, used = 0, 0.0
    saved = args.out / "state.pt"
    if saved.exists():
        state = torch.load(saved)
        for part, value in zip((painter, ema, optimizer), state["parts"], strict=True):
            part.load_state_dict(value)
        step, used = state["step"], state["used"]
    rng, begun = random.Random(step), time.monotonic()
    sums: dict[str, float] = {}
    while used < 60 * args.minutes:
        used += time.monotonic() - begun
        begun = time.monotonic()
        rate = args.lr * min(1, step / 50 + 0.02) * min(1, max(0.02, 2.5 * (1 - used / (60 * args.minutes))))
        for group in optimizer.param_groups:
            group["lr"] = rate
        chosen = torch.randint(len(data["train_z"]), (args.batch,))
        target = data["train_large"][chosen].float() / 255
        painted = painter(data["train_pictures"][chosen].float(), data["train_z"][chosen])
        view = (rng.choice((112, 128, 160, 192)), (rng.randrange(4), rng.randrange(4)))
        with torch.no_grad():
            wanted = nets.features(resize_and_shift(target, *view))
        seen = nets.features(resize_and_shift(painted, *view))
        losses = {
            "lpips": feature_distance(nets, seen, wanted).mean(),
            "l1": F.l1_loss(painted, target),
            "coarse": F.l1_loss(F.avg_pool2d(painted, 8), F.avg_pool2d(target, 8)),
        }
        loss = losses["lpips"] + 2 * losses["l1"] + losses["coarse"]
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(painter.parameters(), 1.0)
        optimizer.step()
        ema.update_parameters(painter)
        step += 1
        for name, value in losses.items():
            sums[name] = sums.get(name, 0.0) + float(value.detach())
        if step % EVERY == 0:
            with torch.no_grad():
                x = torch.cat(
                    [
                        ema(p.float(), z)
                        for p, z in zip(data["test_pictures"].split(8), data["test_z"].split(8), strict=True)
                    ]
                ).clamp(0, 1)
            print(
                f"step {step}, {used / 60:.0f} min: "
                + ", ".join(f"{name} {value / EVERY:.4f}" for name, value in sums.items())
                + f"; unseen: LPIPS {lpips(x, test):.3f}, PSNR {psnr(x, test).mean():.1f}",
                flush=True,
            )
            sums = {}
            parts = [part.state_dict() for part in (painter, ema, optimizer)]
            torch.save({"parts": parts, "step": step, "used": used}, saved)
            begun = time.monotonic()  # looking costs no training time
            torch.save({"painted": x[:24]}, args.out / "sample.pt")


if __name__ == "__main__":
    main()
