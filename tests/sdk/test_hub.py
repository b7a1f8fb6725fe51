"""Python's `huggingface_hub` beside Lantern, in one cache, against the Hub for tests.

`tests/tests/hub_python.rs` runs this file with HF_ENDPOINT, HF_HOME and HUB_STEP set: first what Lantern pulled must be
there without a byte being fetched, then this pulls something that Lantern must find.
"""

import hashlib
import os
import sys

import huggingface_hub
from huggingface_hub import HfApi
from huggingface_hub.errors import EntryNotFoundError, GatedRepoError, RepositoryNotFoundError

REPO = "owner/model-GGUF"
api = HfApi()


def raises(kind, work):
    try:
        work()
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} was expected")


def find():
    """The Hub is faithful, and Lantern's file is where Python looks for it."""
    info = api.model_info(REPO, files_metadata=True)
    sizes = {file.rfilename: (file.size, file.lfs and file.lfs.sha256) for file in info.siblings}
    assert sizes["README.md"][1] is None and len(sizes["model-Q4_0.gguf"][1]) == 64, sizes
    # The Hub sends its lists in pages of two.
    tree = sorted(file.path for file in api.list_repo_tree(REPO, recursive=True))
    assert tree == ["README.md", "model-Q4_0.gguf", "other-Q8_0.gguf", "sub", "sub/notes.txt"], tree
    found = [model.id for model in api.list_models(search="owner", sort="downloads")]
    assert found == ["owner/model-GGUF", "owner/gated", "owner/third"], found
    raises(GatedRepoError, lambda: huggingface_hub.hf_hub_download("owner/gated", "g.gguf"))
    raises(RepositoryNotFoundError, lambda: api.model_info("owner/absent"))
    raises(EntryNotFoundError, lambda: huggingface_hub.hf_hub_download(REPO, "absent.gguf"))
    offline = huggingface_hub.hf_hub_download(REPO, "model-Q4_0.gguf", local_files_only=True)
    path = huggingface_hub.hf_hub_download(REPO, "model-Q4_0.gguf")
    assert path == offline, (path, offline)
    with open(path, "rb") as file:
        assert hashlib.sha256(file.read()).hexdigest() == sizes["model-Q4_0.gguf"][1]


def pull():
    """For Lantern to find."""
    print(huggingface_hub.hf_hub_download(REPO, "other-Q8_0.gguf"))


{"find": find, "pull": pull}[os.environ["HUB_STEP"]]()
sys.stdout.flush()
