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


@pytest.fixture(scope="session")
def refused():
    """Checks that a command ended with exit code 2 and one sentence that holds some words."""

    def check(result, *words):
        assert result.exit_code == 2, result.output
        assert isinstance(result.exception, SystemExit)  # no traceback
        lines = result.stderr.strip().splitlines()
        assert len(lines) == 1 and lines[0].startswith("error:") and "Traceback" not in result.output
        for word in words:
            assert word in lines[0]

    return check
