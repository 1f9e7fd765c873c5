"""The devices that a host itself has, as its node device driver tells of them."""
