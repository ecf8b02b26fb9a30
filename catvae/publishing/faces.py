"""Faces as a dataset repo on the Hub: without copies, split once and for all, pixels in the rows."""

from io import BytesIO
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from torch import Tensor

from catvae.download import check_repo, hub_calls, persist
from catvae.images import to_bytes, to_pil
from catvae.publishing.cards import make_dataset_card, make_repo
from catvae.training.faces import Faces

SHARD = 20_000  # faces; about 160 MB


def push_faces(faces: Faces, repo_id: str, *, license: str = "unknown", private: bool = False) -> str:
    """Push the splits "train" and "validation" as Parquet with PNG bytes, and a card, in one commit.

    Loading that repo gives the same pixels in the same order, so training from it gives the same
    weights. Unchanged faces make no commit. `license` is an identifier the Hub knows. Returns the
    address of the repo. Raises HubError, and DataError for faces that are a stream.
    """
    check_repo(repo_id)
    files: dict[str, Path | bytes] = {}
    splits = []
    for name in ("train", "validation"):
        shards = [_to_parquet(images) for images in faces.split(name).split(SHARD)]
        files |= {f"data/{name}-{i:05d}-of-{len(shards):05d}.parquet": shard for i, shard in enumerate(shards)}
        size = sum(len(shard) for shard in shards)
        splits.append({"name": name, "num_bytes": size, "num_examples": len(faces.split(name))})
    files["README.md"] = str(make_dataset_card(repo_id, faces.report, splits, license)).encode()

    api = HfApi()

    def commit() -> None:
        with hub_calls(f"push to {repo_id} failed"):
            make_repo(api, repo_id, "dataset", files, private=private)
            head = api.dataset_info(repo_id, timeout=30)
            old = {file.rfilename for file in head.siblings or ()}
            operations = [
                CommitOperationDelete(name) for name in sorted(old) if name.endswith(".parquet") and name not in files
            ] + [CommitOperationAdd(name, content) for name, content in files.items()]
            message = f"{faces.report.train + faces.report.validation} faces"
            api.create_commit(repo_id, operations, repo_type="dataset", commit_message=message, parent_commit=head.sha)

    persist(commit)
    return f"{api.endpoint}/datasets/{repo_id}"


def _to_parquet(images: Tensor) -> bytes:
    import datasets  # slow to import

    rows = [{"bytes": to_bytes(image), "path": None} for image in to_pil(images.float() / 255)]
    features = datasets.Features({"image": datasets.Image()})
    parquet = BytesIO()
    datasets.Dataset.from_dict({"image": rows}, features=features).to_parquet(parquet)
    return parquet.getvalue()
