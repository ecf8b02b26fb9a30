"""Command line: `catvae --help`, or `python -m catvae --help`.

What is slow to import, or an extra, is imported by the command that needs it.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from PIL import Image

from catvae.download import check_repo
from catvae.errors import Arguments, MissingPackageError, SettingError, command_line, whole_number
from catvae.evaluation.evaluate import evaluate_fully, evaluate_variants
from catvae.evaluation.figures import make_figures, save_figures
from catvae.evaluation.report import format_summary, format_table, insert_table, split_page, write_report
from catvae.evaluation.unseen import describe_seen
from catvae.files import BUNDLED, check_writable, writing
from catvae.fullsize.parents import SIZES
from catvae.images import is_cut, save_frames, to_face
from catvae.machine import keep_freed_memory
from catvae.mixing import METHODS, interpolate, mix
from catvae.model import ACTIVATIONS, IMAGE_SIZE, find_models, load_models, load_variant
from catvae.photos.decode import open_image
from catvae.photos.faces import align, find_faces
from catvae.training.cut import add_cut, add_reading, cut_source
from catvae.training.data import PUBLISHED_DATASET, load_faces

MAX_STEPS, MAX_SCALE = 1000, 16
MAX_PIXELS = 256 * 10**6  # of all frames of a mix, enlarged: 0.8 GB


def run_mix(args: argparse.Namespace) -> None:
    if args.steps * (args.scale * (args.size or IMAGE_SIZE)) ** 2 > MAX_PIXELS:
        raise SettingError(f"{args.steps} frames enlarged {args.scale} times are too large: fewer --steps or --scale")
    args.variant = args.variant or first_choice(args.checkpoints)
    model = load_variant(args.variant, args.checkpoints)
    images = args.image_a, args.image_b
    if args.size:
        frames = mix(
            model, *images, args.steps, args.method, args.size, report=lambda text: print(text, file=sys.stderr)
        )
    else:
        frames = interpolate(model, [read_face(path) for path in images], args.steps, args.method)
    with writing(args.out):
        save_frames(frames, args.out, args.scale)
    print(f"{args.steps} frames of {args.variant} in {args.out}")


def first_choice(checkpoints: Path | None) -> str:
    """v6, or of a folder without it the model of the smallest β."""
    return "v6" if "v6" in find_models(checkpoints) else next(iter(load_models(checkpoints)))


def read_face(path: Path) -> Image.Image:
    """The best face of a photo, 64×64; of one without a cat the middle, and a word about it on stderr."""
    photo = open_image(path)
    if is_cut(photo):
        return photo
    found = find_faces(photo)
    if not found:
        print(f"{path}: no cat face found, so this is the middle of the picture", file=sys.stderr)
    return align(photo, found[0]) if found else to_face(photo)


def run_evaluate(args: argparse.Namespace) -> None:
    if args.out:
        try:
            from catvae.evaluation.plots import make_plots
        except ModuleNotFoundError as error:
            raise MissingPackageError(f"--out draws plots ({error}): pip install matplotlib") from error
        check_writable(args.out)
        if args.split != "validation":
            raise SettingError("--out measures the validation split against training faces; drop --split")
    elif args.readme or args.also:
        raise SettingError("--also and --readme need --out FOLDER")
    if args.readme:
        split_page(args.readme)  # whether it has a place for the table is known before minutes of measuring
        check_writable(args.readme.parent)
    keep_freed_memory()
    faces = load_faces(cut_source(args.data, args.cut, args.faces), column=args.column, limit=args.limit)
    print(faces.report, file=sys.stderr)
    if said := describe_seen(find_models(args.checkpoints), faces.split(args.split)):
        print(said, file=sys.stderr)
    if not args.out:
        return print(format_table(evaluate_variants(faces, args.split, args.checkpoints)))
    report = evaluate_fully(faces, args.checkpoints, args.also)
    with writing(args.out):
        args.out.mkdir(parents=True, exist_ok=True)
        write_report(report, args.out)
        figures = make_figures(load_models(args.checkpoints)) | make_plots(report, args.checkpoints)
        save_figures(figures, args.out)
    if args.readme:
        insert_table(args.readme, format_summary(report))
    print(format_summary(report))


def run_figures(args: argparse.Namespace) -> None:
    with writing(args.out):
        save_figures(make_figures(load_models(args.checkpoints)), args.out)


def run_evaluate_faces(args: argparse.Namespace) -> None:
    from catvae.evaluation.faces import evaluate_faces

    validation = load_faces(cut_source(args.data)).validation if args.data else None
    variant = args.variant or first_choice(args.checkpoints)
    report = evaluate_faces(args.folder, args.out, variant=variant, checkpoints=args.checkpoints, validation=validation)
    for key, value in report.items():
        print(f"{key}: {value:.4g}" if isinstance(value, float) else f"{key}: {value}")
    print(f"to look at: {args.out}")


def run_import_published(args: argparse.Namespace) -> None:
    from catvae.training.published import import_published

    config = import_published(args.weights, args.out, args.activation).config
    print(f"{args.out}: channels {config.channels}, {config.latent_dim} latents, {config.activation}")


def run_push(args: argparse.Namespace) -> None:
    from catvae.publishing.weights import Target, push_checkpoints

    commit = push_checkpoints(args.checkpoints, Target(args.repo, args.private, args.revision, args.tag, args.force))
    print(f"{args.repo} is at {commit}")


def run_push_data(args: argparse.Namespace) -> None:
    from catvae.publishing.faces import push_faces

    faces = load_faces(cut_source(args.source, args.cut, args.faces), column=args.column, limit=args.limit)
    print(faces.report)
    print(push_faces(faces, args.repo, license=args.license, private=args.private))


def run_publish_space(args: argparse.Namespace) -> None:
    from catvae.publishing.spaces import embed_snippets, publish_space

    space = publish_space(
        args.repo, hardware=args.hardware, model_repo=args.model_repo, private=args.private, with_token=args.with_token
    )
    print(f"{space.address}\n{space.advice}")
    print("To embed it:\n\n" + embed_snippets(args.repo))


def run_publish_trainer(args: argparse.Namespace) -> None:
    from catvae.publishing.spaces import publish_trainer

    print(publish_trainer(args.repo, args.arguments, hardware=args.hardware))


def run_export_web(args: argparse.Namespace) -> None:
    from catvae.browser.export import export_web

    faces = load_faces(cut_source(args.data)).validation[:32] if args.data else None
    export_web(args.out, checkpoints=args.checkpoints, variants=args.variants, weights=args.weights, faces=faces)
    print(f"To look at it: python -m http.server --directory {args.out}")


def run_publish_web(args: argparse.Namespace) -> None:
    from catvae.browser.export import export_web
    from catvae.publishing.web import publish_web, web_snippet

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "web"
        export_web(out, checkpoints=args.checkpoints, variants=args.variants, weights=args.weights)
        print(publish_web(out, args.repo, private=args.private))
    print("To embed it:\n\n" + web_snippet(args.repo))


def parse(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="catvae", description="Mix cats and measure the models.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=Arguments)
    add_mixing(commands)
    add_cut(commands)
    add_measuring(commands)
    add_publishing(commands)
    add_web(commands)
    return parser.parse_args(words)


def add_checkpoints(command: argparse.ArgumentParser) -> None:
    command.add_argument("--checkpoints", type=Path, help=f"default: $CATVAE_CHECKPOINTS or {BUNDLED.name}/")


def add_mixing(commands: argparse._SubParsersAction) -> None:
    mixing = commands.add_parser("mix", help="turn one cat into another")
    mixing.add_argument("image_a", type=Path)
    mixing.add_argument("image_b", type=Path)
    mixing.add_argument("--variant", metavar="NAME", help="a model of --checkpoints; default: v6")
    mixing.add_argument("--steps", type=whole_number(2, MAX_STEPS), default=9, metavar="N", help="frames, 2 to 1000")
    mixing.add_argument("--method", default="lerp", choices=list(METHODS))
    kinds = "strip (.png, .jpg), animation (.gif, .webp, .mp4), or a folder for the frames"
    mixing.add_argument("--out", type=Path, default=Path("mix.png"), help=kinds)
    mixing.add_argument("--scale", type=whole_number(1, MAX_SCALE), default=1, metavar="N", help="enlarge N times")
    sides = f"full size, the fur from the photos: {SIZES[0]} to {SIZES[-1]} pixels, a multiple of {SIZES.step}"
    mixing.add_argument("--size", type=whole_number(SIZES[0], SIZES[-1]), metavar="N", help=sides)
    mixing.set_defaults(run=run_mix)
    add_checkpoints(mixing)

    safely = "read the published project's weights; no code in them runs"
    published = commands.add_parser("import-published", help=safely)
    published.add_argument("weights", type=Path, help="what its torch.save(model.state_dict(), ...) wrote")
    published.add_argument("--out", type=Path, required=True, help="folder for CatVAE.from_pretrained")
    published.add_argument("--activation", default="leaky_relu", choices=sorted(ACTIVATIONS), help="relu for its v3")
    published.set_defaults(run=run_import_published)


def add_measuring(commands: argparse._SubParsersAction) -> None:
    evaluation = commands.add_parser("evaluate", help="measure all variants on real faces")
    evaluation.add_argument("--data", default=PUBLISHED_DATASET, help="as for train_space.py")
    add_reading(evaluation)
    evaluation.add_argument("--split", default="validation", choices=["train", "validation", "all"])
    evaluation.add_argument("--limit", type=whole_number(2), metavar="N", help="read only this many images")
    evaluation.add_argument("--out", type=Path, help="folder for much more: tables, JSON, plots and pictures; minutes")
    evaluation.add_argument("--also", type=Path, nargs="+", metavar="FOLDER", help="with --out: more checkpoints")
    evaluation.add_argument("--readme", type=Path, metavar="FILE", help="with --out: put the main table into this page")
    evaluation.set_defaults(run=run_evaluate)

    figures = commands.add_parser("figures", help="compare all variants on the example kittens, as pictures")
    figures.add_argument("--out", type=Path, default=Path("figures"), help="folder for the PNGs")
    figures.set_defaults(run=run_figures)

    face_evaluation = commands.add_parser("evaluate-faces", help="find the faces in a folder of photos, as a page")
    face_evaluation.add_argument("folder", type=Path)
    face_evaluation.add_argument("--out", type=Path, default=Path("faces.html"), help="its figures go to .json beside")
    face_evaluation.add_argument("--variant", metavar="NAME", help="a model of --checkpoints; default: v6")
    face_evaluation.add_argument("--data", help="faces whose validation split gives the ELBO to compare with")
    face_evaluation.set_defaults(run=run_evaluate_faces)

    for command in (evaluation, figures, face_evaluation):
        add_checkpoints(command)


def add_publishing(commands: argparse._SubParsersAction) -> None:
    push = commands.add_parser("push", help="push the checkpoints to a model repo on the Hub")
    push.add_argument("checkpoints", type=Path)
    push.add_argument("repo", type=check_repo, metavar="OWNER/NAME")
    push.add_argument("--private", action="store_true", help="when the repo is created")
    push.add_argument("--revision", metavar="BRANCH")
    push.add_argument("--tag", help="also make this release tag")
    push.add_argument("--force", action="store_true", help="replace better weights, or push a partial set, on main")
    push.set_defaults(run=run_push)

    push_data = commands.add_parser("push-data", help="push faces, without copies and split, to a dataset repo")
    push_data.add_argument("source", help="as --data of train_space.py")
    push_data.add_argument("repo", type=check_repo, metavar="OWNER/NAME")
    add_reading(push_data)
    push_data.add_argument("--limit", type=whole_number(2), metavar="N", help="read only this many images")
    push_data.add_argument("--license", default="unknown", help="identifier for the card, such as cc-by-4.0")
    push_data.add_argument("--private", action="store_true", help="when the repo is created")
    push_data.set_defaults(run=run_push_data)

    space = commands.add_parser("publish-space", help="create or update a Space that runs the app")
    space.add_argument("repo", type=check_repo, metavar="OWNER/NAME")
    space.add_argument("--hardware", default="zero-a10g", help="zero-a10g (default, free), cpu-basic, t4-small …")
    space.add_argument("--model-repo", metavar="OWNER/NAME", help="follow this model repo; default: OWNER/catvae")
    space.add_argument("--private", action="store_true", help="when the Space is created")
    space.add_argument("--with-token", action="store_true", help="for a private --model-repo: put your token there")
    space.set_defaults(run=run_publish_space)

    trainer = commands.add_parser("publish-trainer", help="create a private Space that trains, pushes and pauses")
    trainer.add_argument("repo", type=check_repo, metavar="OWNER/NAME")
    trainer.add_argument("--hardware", default="t4-small", help="flavour to rent, such as t4-small or a10g-small")
    trainer.add_argument("arguments", nargs="+", help="of train_space.py, after --")
    trainer.set_defaults(run=run_publish_trainer)


def add_web(commands: argparse._SubParsersAction) -> None:
    export = commands.add_parser("export-web", help="write the mixer as plain files that run in the visitor's browser")
    export.add_argument("out", type=Path, help="a new folder, or an older export to replace")
    export.add_argument("--data", help="faces to check it on, besides the example cats; as for train_space.py")
    export.set_defaults(run=run_export_web)

    publish = commands.add_parser("publish-web", help="create or update a static Space with the mixer")
    publish.add_argument("repo", type=check_repo, metavar="OWNER/NAME")
    publish.add_argument("--private", action="store_true", help="when the Space is created")
    publish.set_defaults(run=run_publish_web)

    for command in (export, publish):
        add_checkpoints(command)
        command.add_argument("--variants", nargs="+", metavar="NAME", help="models of --checkpoints; default: all")
        precise = "fp16: torch's very pictures, twice the size"
        command.add_argument("--weights", default="int8", choices=["int8", "fp16"], help=precise)


def main() -> None:
    with command_line("catvae"):
        args = parse()
        args.run(args)


if __name__ == "__main__":
    main()
