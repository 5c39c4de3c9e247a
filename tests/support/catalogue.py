"""A catalogue for tests that need any."""

from aistratus_contracts.models import Catalogue, ModelCard

CATALOGUE = Catalogue((ModelCard("some-model", "Some model", 1024, 256, 0.0, "Apache-2.0"),))
