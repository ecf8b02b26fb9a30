"""How the app is started: what `Blocks.launch` needs, and where it listens."""

from threading import Thread
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from catvae.errors import SettingError
from catvae.files import find_port
from catvae.page.addresses import Addresses
from catvae.page.embed import embed_routes, find_mixer
from catvae.page.first_look import first_look
from catvae.page.front import front_routes
from catvae.page.preview import LinkPreview, preview_route
from catvae.page.theme import THEME, i18n, static
from catvae.serving.decoders import LIGHT_ONES
from catvae.serving.limits import Limits, find_rate
from catvae.serving.routes import OpenRoutes
from catvae.serving.sweep import sweep_in_background
from catvae.serving.weights import Weights


def launch_options(weights: Weights) -> dict[str, Any]:
    """What `Blocks.launch` needs so that the page looks, speaks and keeps quiet as it should.

    Raises SettingError when `CATVAE_WEB` names a folder without a mixer.
    """
    mixer = find_mixer()
    own = [*embed_routes(weights, mixer), *front_routes(weights, beside=mixer is not None), preview_route(weights)]
    return {
        "theme": THEME,
        "css": static("page.css"),
        "i18n": i18n,
        "mcp_server": True,
        "run_history": False,  # it would keep visitors' photos in their browsers
        "show_error": True,
        "max_file_size": "15mb",
        "footer_links": ["api", "settings"],
        "ssr_mode": False,
        "state_session_capacity": 500,  # each holds the page's settings; ten thousand would be a gigabyte
        "app_kwargs": {
            "middleware": [
                Middleware(OpenRoutes, own=own),
                Middleware(Limits, rate=find_rate()),
                Middleware(Addresses),
                Middleware(LinkPreview, weights=weights),
            ],
            "routes": own,
        },
    }


def launch(demo: gr.Blocks, weights: Weights) -> None:
    """Serve the page until it is stopped. Raises SettingError for a port that is none or is taken."""
    port, options = find_port(), launch_options(weights)
    sweep_in_background(also=lambda: weights.current.recent.forget())  # first of all: its folder is for us alone
    try:
        demo.launch(server_port=port, prevent_thread_lock=True, **options)
    except OSError as error:
        if "port" not in str(error):
            raise
        raise SettingError(f"port {port} is taken: stop what listens there, or set PORT to another one") from error
    # What a first visitor would wait for. Not before: a busy machine would not answer Gradio, which asks for its own
    # page, in three seconds. No daemon: where the process ended within torch, it would be aborted.
    LIGHT_ONES.restart()
    Thread(target=first_look, args=(weights.current,)).start()
    demo.block_thread()
