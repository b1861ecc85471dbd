import pytest


@pytest.fixture(autouse=True, scope="module")
def _no_kernel_is_compiled_for_a_handful_of_values() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPIKEFORMERS_KERNELS", "reference")
        yield
