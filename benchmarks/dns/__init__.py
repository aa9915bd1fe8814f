"""What a DNS question costs: UdpResolver beside SystemResolver and dnsperf, against one server."""
