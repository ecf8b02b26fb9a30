"""The linear VAE in the page is Python's: its pictures, its nats, its ends."""

import itertools

import numpy as np
import pytest
import torch

from catvae.images import to_tensor
from catvae.mixing import METHODS
from catvae.serving.front import WEB
from catvae.serving.links import example_face
from catvae.training.components import COMPONENTS, unpack
from catvae.training.linear import LinearVAE
from tests.web_server import serving

MIX = """async ([faces, asked]) => {
    const {openLinear} = await import('/linear.js');
    const {newCanvas, penOf} = await import('/draw.js');
    const components = async name => new Uint8Array(await (await fetch('/' + name)).arrayBuffer());
    const linear = await openLinear({components});
    const [a, b] = faces.map(data => {
        const canvas = newCanvas(64);
        penOf(canvas).putImageData(new ImageData(new Uint8ClampedArray(data), 64, 64), 0, 0);
        return canvas;
    });
    return {
        ends: [linear.all, linear.none, linear.latents],
        mixes: asked.map(([beta, share, path]) => ({
            rate: linear.rate(beta), used: linear.used(beta), picture: [...linear.mix(a, b, share, path, beta).data],
        })),
    };
}"""
ASKED = [
    *((beta, 0.0, "lerp") for beta in (0.002, 0.005, 0.05, 0.5, 1, 2, 20, 1000)),
    *((beta, 0.3, path) for beta in (0.05, 2) for path in METHODS),
]


@pytest.fixture(scope="module")
def told(browser) -> dict:
    faces = [example_face(name).convert("RGBA") for name in ("chelsea", "kitten-04")]
    with serving(WEB) as site:
        page = browser.new_page()
        page.goto(f"{site.url}/index.html")
        told = page.evaluate(MIX, [[list(face.tobytes()) for face in faces], ASKED])
        page.close()
    return told


def test_pictures_and_nats_are_pythons(told):
    components = unpack(COMPONENTS.read_bytes())
    faces = to_tensor([example_face(name) for name in ("chelsea", "kitten-04")])
    pictures = []
    for (beta, share, path), mix in zip(ASKED, told["mixes"], strict=True):
        model = LinearVAE(components, beta, len(components.variances))
        mu, _ = model.encode(faces)
        wanted = model.decode(METHODS[path](mu[0], mu[1], torch.tensor([share])))[0].permute(1, 2, 0).numpy() * 255
        pictures.append(np.array(mix["picture"], float).reshape(64, 64, 4)[..., :3])
        assert np.abs(pictures[-1] - wanted).max() < 1, (beta, share, path)
        assert mix["rate"] == pytest.approx(model.rate, rel=1e-4) and mix["used"] == len(model.variances)
    changes = [np.abs(a - b).mean() for a, b in itertools.pairwise(pictures)]
    assert min(changes) > 0.05  # each is another picture


def test_its_ends_are_where_all_latents_are_in_use_and_none(told):
    every, none, latents = told["ends"]
    components = unpack(COMPONENTS.read_bytes())
    for beta, used in ((every * 0.999, latents), (every * 1.001, latents - 1), (none * 0.999, 1), (none * 1.001, 0)):
        assert len(LinearVAE(components, beta, latents).variances) == used
