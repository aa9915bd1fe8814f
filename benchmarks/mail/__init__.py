"""What a filter costs a mail server: ours, pymilter's and spf-engine's behind one Postfix."""
