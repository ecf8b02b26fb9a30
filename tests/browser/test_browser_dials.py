"""Dials, the pad and newborns by the networks in the page: what the app gives."""

import json

import numpy as np
import pytest
import torch

from catvae.images import to_tensor
from catvae.latents import load_dials
from catvae.model import load_variant
from catvae.serving.front import REACH
from catvae.serving.links import example_face
from tests.web_server import serving

TURN = """async ([cat, places, dial]) => {
    const {openEngine} = await import('/engine/local.js');
    const engine = await openEngine(() => ({}));
    const parents = ['chelsea', 'luna', 'naranja'].map(engine.example), pad = await engine.pad(parents);
    const {way, nearest} = await engine.dials(engine.example(cat), places, dial);
    const [picture] = await way.at([1]), newborns = await engine.newborn('v6');
    const pixels = canvas => [...canvas.getContext('2d').getImageData(0, 0, 64, 64).data];
    const mixed = pixels(await pad.at([0.5, 0.2, 0.3]));
    return {picture: pixels(picture), mixed, nearest, newborns: newborns.map(({kind, face}) => [kind, pixels(face)])};
}"""


@torch.inference_mode()
def test_the_page_turns_dials_as_the_app_does_and_draws_newborns(browser, web_exports):
    dials, model = load_dials(), load_variant("v7")
    places, dial = [0.0] * len(dials.names), dials.names.index("Siamese")
    places[0] = 1.5
    with serving(web_exports["fp16"]) as site:
        page = browser.new_page()
        page.goto(f"{site.url}/mixer.json")
        told = page.evaluate(TURN, ["chelsea", places, dial])
        page.close()
    assert json.loads((web_exports["fp16"] / "mixer.json").read_text())["dials"]["models"] == ["v7", "v6"]
    mu = model.encode(to_tensor([example_face("chelsea")]))[0][0]
    z = mu + 1.5 * dials.directions[0] + REACH * dials.directions[dial]
    wanted = model.decode(z[None])[0].permute(1, 2, 0).numpy() * 255
    ours = np.array(told["picture"], dtype=float).reshape(64, 64, 4)[..., :3]
    assert np.abs(ours - wanted).max() <= 2
    parents = model.encode(to_tensor([example_face(name) for name in ("chelsea", "luna", "naranja")]))[0]
    wanted = model.decode(torch.tensor([[0.5, 0.2, 0.3]]) @ parents)[0].permute(1, 2, 0).numpy() * 255
    ours = np.array(told["mixed"], dtype=float).reshape(64, 64, 4)[..., :3]
    assert np.abs(ours - wanted).max() <= 2  # of three cats on the pad
    nearest = dials.nearest(mu)
    assert max(told["nearest"], key=told["nearest"].get) == max(nearest, key=nearest.get)
    for breed, share in told["nearest"].items():
        assert share == pytest.approx(nearest[breed], abs=0.01)
    (kind, one), (_, other) = told["newborns"]
    assert kind == "newborn" and len(one) == 4 * 64 * 64 and one != other
