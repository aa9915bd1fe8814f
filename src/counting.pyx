"""Numbers that processes share: doubles in memory, each added to where it lies.

What may live here: adding, setting and reading by place. What stands where is known in service/.

A number is 8 octets in line, which are written at once. There is no lock: each is written by one process.
"""

from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport uintptr_t


cdef class Numbers:
    """Numbers in memory.

    memory  what has it, such as an mmap
    begin   the first of them, in numbers from the beginning of the memory
    count   how many they are
    """

    cdef Py_buffer _buffer
    cdef double *_at
    cdef Py_ssize_t _count

    def __cinit__(self, memory, Py_ssize_t begin, Py_ssize_t count):
        PyObject_GetBuffer(memory, &self._buffer, PyBUF_WRITABLE)
        cdef Py_ssize_t room = self._buffer.len // <Py_ssize_t>sizeof(double)
        if not (0 <= begin <= room and 0 <= count <= room - begin):
            raise ValueError("the memory does not have these numbers")
        if <uintptr_t>self._buffer.buf % sizeof(double):
            raise ValueError("the memory is not in line")
        self._at, self._count = <double *>self._buffer.buf + begin, count

    def __dealloc__(self):
        PyBuffer_Release(&self._buffer)

    def __len__(self):
        return self._count

    cdef double *_of(self, Py_ssize_t place) except NULL:
        if not 0 <= place < self._count:
            raise IndexError(place)
        return self._at + place

    def add(self, Py_ssize_t place, double amount=1.0):
        """Add to a number."""
        self._of(place)[0] += amount

    def set(self, Py_ssize_t place, double value):
        """Set a number."""
        self._of(place)[0] = value

    def get(self, Py_ssize_t place):
        """A number."""
        return self._of(place)[0]

    def observe(self, Py_ssize_t place, tuple bounds not None, double value):
        """Add a value to the histogram that begins there: to its bucket, the first whose bound is not less
        or the one behind them all, then to the sum, which is the last number."""
        cdef Py_ssize_t bucket = 0
        cdef double *buckets = self._of(place)
        cdef double *total = self._of(place + len(bounds) + 1)
        # Most of what is measured took no time to speak of.
        while bucket < len(bounds) and <double>bounds[bucket] < value:
            bucket += 1
        buckets[bucket] += 1
        total[0] += value

    def row(self, Py_ssize_t begin, Py_ssize_t count):
        """So many numbers from a place on, as they stand."""
        if not (0 <= begin <= self._count and 0 <= count <= self._count - begin):
            raise IndexError(begin)
        return [self._at[begin + at] for at in range(count)]

    def column(self, Py_ssize_t begin, Py_ssize_t step):
        """The sum of every step-th number from a place on."""
        cdef double total = 0
        if begin < 0 or not 0 < step <= self._count:
            raise IndexError(begin)
        while begin < self._count:
            total += self._at[begin]
            begin += step
        return total
