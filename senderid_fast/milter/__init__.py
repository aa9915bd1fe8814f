"""The milter protocol: a mail filter that Sendmail and Postfix ask about every message.

What may live here: nothing but this. codec.py has the packets, session.py what is said when,
server.py the connections.
"""
