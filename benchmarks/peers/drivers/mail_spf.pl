# Mail::SPF: answers known, with an object in place of its resolver that hands back ready packets; or cold, with
# Net::DNS::Resolver, its default.
#
# perl mail_spf.pl DATA VERDICTS PASSES | perl mail_spf.pl DATA VERDICTS cold PORT TASKS CHECKS: as every driver here
# (see drivers/__init__.py). TASKS is not used: one check at a time, as neither library runs two in one process.
use strict;
use warnings;
use JSON::PP;
use Mail::SPF;
use Net::DNS;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC CLOCK_PROCESS_CPUTIME_ID);

package KnownAnswers;

sub new { return bless {packets => {}, none => Net::DNS::Packet->new('invalid', 'TXT')}, shift }

sub add {
    my ($self, $name, $type, $value) = @_;
    # A string has at most 255 octets; the text of a record may have more.
    my $data = $type eq 'TXT' ? join(' ', map { "\"$_\"" } unpack '(A255)*', $value) : $value;
    $data .= '.' if $type eq 'MX';
    my $packet = $self->{packets}{"$name $type"} //= Net::DNS::Packet->new($name, $type);
    $packet->header->qr(1);
    return $packet->push(answer => Net::DNS::RR->new("$name. 300 IN $type $data"));
}

sub send {
    my ($self, $name, $type) = @_;
    return $self->{packets}{"$name $type"} // $self->{none};
}

sub errorstring { return '' }

package main;

sub rows {
    my ($path) = @_;
    open my $file, '<', $path or die "$path: $!\n";
    chomp(my @lines = <$file>);
    return map { [split /\t/] } @lines;
}

sub peak_rss_kib {
    open my $status, '<', '/proc/self/status' or die "status: $!\n";
    while (<$status>) { return $1 + 0 if /^VmHWM:\s+(\d+)/ }
    die "no VmHWM\n";
}

my ($data, $verdicts, $passes, $port, undef, $checks) = @ARGV;
my $resolver;
my @connections = rows("$data/connections.tsv");
my $cold = $passes eq 'cold';
if ($cold) {
    $passes = 1;
    $#connections = $checks - 1 if $checks < @connections;
    $resolver = Net::DNS::Resolver->new(nameservers => ['127.0.0.1'], port => $port);
}
else {
    $resolver = KnownAnswers->new;
    $resolver->add(@$_) for rows("$data/zone.tsv");
}
my $server = Mail::SPF::Server->new(dns_resolver => $resolver, hostname => 'receiver.example');

sub check {
    my ($ip, $helo, $mail_from) = @{$_[0]};
    my $request = Mail::SPF::Request->new(
        versions      => [1],
        scope         => 'mfrom',
        identity      => $mail_from,
        ip_address    => $ip,
        helo_identity => $helo,
    );
    return $server->process($request)->code;
}

sub write_words {
    open my $file, '>', $verdicts or die "$verdicts: $!\n";
    print {$file} "$_\n" for @_;
    return close $file;
}

write_words(map { check($_) } @connections) unless $cold;
if (open my $peak, '>', '/proc/self/clear_refs') { print {$peak} '5'; close $peak }    # from here the peak is counted

my (@cpu, @wall, @words);
for (1 .. $passes) {
    my ($wall_start, $cpu_start) = (clock_gettime(CLOCK_MONOTONIC), clock_gettime(CLOCK_PROCESS_CPUTIME_ID));
    @words = map { check($_) } @connections;
    push @cpu,  clock_gettime(CLOCK_PROCESS_CPUTIME_ID) - $cpu_start;
    push @wall, clock_gettime(CLOCK_MONOTONIC) - $wall_start;
}
write_words(@words) if $cold;
print JSON::PP->new->canonical->encode({
    peer         => 'Mail::SPF',
    version      => version->parse($Mail::SPF::VERSION)->normal =~ s{^v}{}r,
    checks       => scalar @connections,
    cpu_seconds  => \@cpu,
    wall_seconds => \@wall,
    rss_kib      => peak_rss_kib(),
}), "\n";
