"""No test reaches the network, the user's cache or a mirror of the data, unless it sets them up itself."""

import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"  # before TensorFlow is first imported

import pytest


@pytest.fixture(autouse=True, scope="session")
def offline(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MATERIALS_DL_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("MATERIALS_DL_MIRROR", raising=False)
        patch.setenv("MATERIALS_DL_OFFLINE", "1")
        yield
