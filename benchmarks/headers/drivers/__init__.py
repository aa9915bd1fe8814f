"""The drivers: one file a parser, all called alike, each in its own language.

    driver FOLDER ANSWERS PASSES [VARIANT]

A driver reads FOLDER/sections.bin (for each message 4 octets of length, little-endian, then the
octets of its header section), finds the PRA of each message once and writes one line a message to
ANSWERS, then does the same PASSES times more and prints the line of JSON that the drivers of
benchmarks.peers print. A line is

    from 6a6f652e7573657240...    the field that RFC 4407 2 selects, and the mailbox in hexadecimal
    from -                        that field does not give one mailbox with a domain (step 5)
    - -                           no field is selected (steps 3 and 4)

All of them choose by RFC 4407 2 among the fields that their parser found, and let it read the
addresses of the chosen field. Step 5 is the same everywhere: exactly one address, which is no
group, with an "@", and with something behind the last "@" that is no address literal. The rest is
the parser's own.
"""
