from typing import final

@final
class Octets:
    def __buffer__(self, flags: int, /) -> memoryview: ...
    def __len__(self) -> int: ...

@final
class Outcomes:
    def __init__(self, rows: int, counts: bool, explanations: bool) -> None: ...
