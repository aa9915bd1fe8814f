"""Datagrams in batches: sent and received over sockets that somebody else opened and connected.

What may live here: three system calls (send, receive, poll) without the GIL. This is the only module of
the core that touches a socket (docs/architecture.md, the second promise); it knows nothing of DNS.

Linux sends and receives a whole batch in one call; elsewhere, or when asked to, it is a plain loop.
"""

from cpython.exc cimport PyErr_CheckSignals, PyErr_SetFromErrno
from libc.errno cimport errno
from libc.stdint cimport uint8_t, uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

cdef extern from *:
    """
    #include <errno.h>
    #include <poll.h>
    #include <string.h>
    #include <sys/socket.h>
    #include <sys/uio.h>

    #if defined(__linux__) && defined(MSG_WAITFORONE)
    #define SF_MANY 1
    #else
    #define SF_MANY 0
    #endif
    enum { SF_BATCH = 64 };

    /* Each returns how many went through, 0 if none can now, or an error as a negative number. */
    static int sf_error(void) {
        return errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS ? 0 : -errno;
    }

    static void sf_set_error(int number) {
        errno = number;
    }

    static int sf_send(int file, uint8_t *octets, size_t stride, const uint32_t *lengths, int count, int plain) {
        int done = 0;
    #if SF_MANY
        if (!plain) {
            struct mmsghdr messages[SF_BATCH];
            struct iovec parts[SF_BATCH];
            memset(messages, 0, sizeof(messages[0]) * count);
            for (int i = 0; i < count; i++) {
                parts[i].iov_base = octets + i * stride;
                parts[i].iov_len = lengths[i];
                messages[i].msg_hdr.msg_iov = &parts[i];
                messages[i].msg_hdr.msg_iovlen = 1;
            }
            do done = sendmmsg(file, messages, count, MSG_DONTWAIT); while (done < 0 && errno == EINTR);
            return done < 0 ? sf_error() : done;
        }
    #endif
        for (; done < count; done++) {
            ssize_t sent;
            do sent = send(file, octets + done * stride, lengths[done], MSG_DONTWAIT);
            while (sent < 0 && errno == EINTR);
            if (sent < 0) return done ? done : sf_error();
        }
        return done;
    }

    /* What is longer than there is room for counts as empty. */
    static int sf_receive(int file, uint8_t *octets, size_t stride, uint32_t *lengths, int count, int plain) {
        int done = 0;
    #if SF_MANY
        if (!plain) {
            struct mmsghdr messages[SF_BATCH];
            struct iovec parts[SF_BATCH];
            memset(messages, 0, sizeof(messages[0]) * count);
            for (int i = 0; i < count; i++) {
                parts[i].iov_base = octets + i * stride;
                parts[i].iov_len = stride;
                messages[i].msg_hdr.msg_iov = &parts[i];
                messages[i].msg_hdr.msg_iovlen = 1;
            }
            do done = recvmmsg(file, messages, count, MSG_DONTWAIT, NULL); while (done < 0 && errno == EINTR);
            if (done < 0) return sf_error();
            for (int i = 0; i < done; i++)
                lengths[i] = messages[i].msg_hdr.msg_flags & MSG_TRUNC ? 0 : messages[i].msg_len;
            return done;
        }
    #endif
        for (; done < count; done++) {
            struct iovec part = {octets + done * stride, stride};
            struct msghdr message = {0};
            ssize_t size;
            message.msg_iov = &part;
            message.msg_iovlen = 1;
            do size = recvmsg(file, &message, MSG_DONTWAIT); while (size < 0 && errno == EINTR);
            if (size < 0) return done ? done : sf_error();
            lengths[done] = message.msg_flags & MSG_TRUNC ? 0 : (uint32_t)size;
        }
        return done;
    }
    """
    int sf_send(int file, uint8_t *octets, size_t stride, const uint32_t *lengths, int count,
                bint plain) noexcept nogil
    int sf_receive(int file, uint8_t *octets, size_t stride, uint32_t *lengths, int count,
                   bint plain) noexcept nogil
    struct pollfd:
        int fd
        short events
        short revents
    void sf_set_error(int number) noexcept nogil
    int poll(pollfd *files, unsigned long count, int milliseconds) nogil
    const short POLLIN
    const int EINTR

cdef enum:
    FILES_MOST = 4096


cdef int error_raise(int number) except -1:
    sf_set_error(-number)
    PyErr_SetFromErrno(OSError)
    return -1


cdef class Datagrams:
    """Room for a batch of datagrams, which is used again and again, by one thread at a time.

    plain  one system call for each datagram, as where there is no other way
    """

    def __cinit__(self):
        self.octets = <uint8_t *>malloc(<size_t>BATCH * DATAGRAM_MOST)
        if self.octets == NULL:
            raise MemoryError

    def __init__(self, bint plain=False):
        self.plain = plain

    def __dealloc__(self):
        free(self.octets)

    def put(self, bytes octets not None):
        """Add one to send. False: there is no room for it."""
        if self.count == BATCH or len(octets) > DATAGRAM_MOST:
            return False
        memcpy(datagram(self, self.count), <const char *>octets, len(octets))
        self.lengths[self.count] = <uint32_t>len(octets)
        self.count += 1
        return True

    def get(self, int number):
        """The octets of one."""
        if not 0 <= number < self.count:
            raise IndexError(f"there are {self.count} datagrams")
        return (<const char *>datagram(self, number))[:self.lengths[number]]

    def clear(self):
        """Drop what is there."""
        self.count = 0

    def send(self, int file, int begin=0):
        """Send those from ``begin`` on to the peer of a connected socket; raises OSError.

        How many went out: fewer than there are if the socket takes no more now.
        """
        cdef uint8_t *octets
        cdef int done
        if not 0 <= begin <= self.count:
            raise IndexError(f"there are {self.count} datagrams")
        if begin == self.count:
            return 0
        octets = datagram(self, begin)
        with nogil:
            done = sf_send(file, octets, DATAGRAM_MOST, self.lengths + begin, self.count - begin, self.plain)
        if done < 0:
            error_raise(done)
        return done

    def receive(self, int file):
        """Take what has arrived, in place of what was here, and return how many; raises OSError.

        A datagram of more than DATAGRAM_MOST octets becomes an empty one.
        """
        cdef int done
        self.count = 0
        with nogil:
            done = sf_receive(file, self.octets, DATAGRAM_MOST, self.lengths, BATCH, self.plain)
        if done < 0:
            error_raise(done)
        self.count = done
        return done


def wait(files, int milliseconds):
    """Wait until one of the sockets has something to receive or an error to tell.

    The positions of those that have; none if the time was over, or a signal came that raises nothing.
    """
    cdef pollfd[FILES_MOST] waited
    cdef int count = 0, ready
    for file in files:
        if count == FILES_MOST:
            raise ValueError(f"more than {FILES_MOST} sockets")
        waited[count].fd = file
        waited[count].events = POLLIN
        waited[count].revents = 0
        count += 1
    with nogil:
        ready = poll(waited, count, milliseconds)
        if ready < 0:
            ready = -errno
    if ready < 0:
        if ready != -EINTR:
            error_raise(ready)
        PyErr_CheckSignals()
        return []
    return [i for i in range(count) if waited[i].revents] if ready else []
