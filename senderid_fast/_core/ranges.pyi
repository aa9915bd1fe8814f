from typing import Self

from typing_extensions import disjoint_base

def address_number(text: str) -> tuple[int, int] | None: ...

@disjoint_base
class AddressRanges:
    def __new__(cls, ranges: tuple[tuple[int, int, int], ...]) -> Self: ...
    def __contains__(self, text: str) -> bool: ...
