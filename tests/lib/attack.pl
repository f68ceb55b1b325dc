# What a hostile tenant tries, in the one language that every server's image has. Says what came of it, a line each.
# usage: perl attack.pl COMMAND ARGUMENT...
use strict;
use warnings;
use IO::Socket::INET;
use POSIX ();

$| = 1;
my $patience = 3;    # seconds for an answer that comes at once if it comes

sub number { my ($word) = @_; return $word =~ /^0x/ ? hex $word : $word + 0; }

# NAME,NUMBER,ARGUMENT...: the system call in a process of its own (it may be killed, or come back twice); says
# its name and the error's number, 0 for none.
sub call {
	my ($name, @numbers) = split /,/, shift;
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		$SIG{ALRM} = 'DEFAULT';
		alarm 5;
		my $result = syscall(number(shift @numbers), map { number($_) } @numbers);
		POSIX::_exit($result == -1 ? $! + 0 : 0);
	}
	waitpid $pid, 0;
	printf "%s %d\n", $name, $? & 127 ? -($? & 127) : $? >> 8;
}

# PROTOCOL ADDRESS PORT: says hello and waits for an answer.
sub reach {
	my ($protocol, $address, $port) = @_;
	my $peer = IO::Socket::INET->new(Proto => $protocol, PeerAddr => $address, PeerPort => $port, Timeout => $patience)
		or return "not: $@";
	send $peer, "hello\n", 0;
	my $readable = '';
	vec($readable, fileno $peer, 1) = 1;
	return "not: no answer" unless select $readable, undef, undef, $patience;
	return defined recv($peer, my $answer, 512, 0) ? "reached" : "not: $!";
}

# NAME TYPE [SERVER]: asks a name server, and says the first text or address of its answer.
sub ask {
	my ($name, $type, $server) = @_;
	my $question = pack('n6', 7, 0x0100, 1, 0, 0, 0) . join('', map { pack 'C/a', $_ } split /\./, $name) . pack('xnn', $type, 1);
	my $peer = IO::Socket::INET->new(Proto => 'udp', PeerAddr => $server // '127.0.0.11', PeerPort => 53) or return "not: $@";
	send $peer, $question, 0;
	my $readable = '';
	vec($readable, fileno $peer, 1) = 1;
	return "not: no answer" unless select $readable, undef, undef, $patience;
	recv $peer, my $answer, 512, 0;
	return "not: no such name" unless (unpack 'n6', $answer // '')[3];
	return "answered";
}

# N: as many processes, until one is refused; they end with this one's group.
sub processes {
	my ($wanted, $seconds) = @_;
	my $made = 0;
	for (1 .. $wanted) {
		my $pid = fork // last;
		if ($pid == 0) { sleep $seconds; POSIX::_exit(0); }
		$made++;
	}
	return $made;
}

# MEGABYTES: touches as many.
sub memory {
	my ($wanted) = @_;
	my @held;
	push @held, "x" x (1 << 20) for 1 .. $wanted;
	return scalar @held;
}

# PATH MEGABYTES: a file of as many; how many there was room for.
sub fill {
	my ($path, $wanted) = @_;
	open my $file, '>', $path or return "not: $!";
	my $written = 0;
	for (1 .. $wanted) { last unless (syswrite($file, "x" x (1 << 20)) // 0) == 1 << 20; $written++; }
	unlink $path;
	return $written;
}

# DIRECTORY N: as many empty files; how many there was room for. They stay.
sub files {
	my ($directory, $wanted) = @_;
	mkdir $directory;
	for my $number (1 .. $wanted) {
		open my $file, '>', "$directory/$number" or return $number - 1;
	}
	return $wanted;
}

# FAMILY...: every kind of socket of these, and of pair, by family, type and protocol: those that are not refused as forbidden,
# a line each, with the error's number.
sub sockets {
	my %open;
	for my $family (@_) {
		for my $type (0 .. 10) {
			for my $flags (0, 0x800, 0x80000) {
				for my $protocol (0 .. 33, 58, 103, 132, 136, 255, 256, 262, 768) {
					my $made = socket my $socket, $family, $type | $flags, $protocol;
					$open{"socket $family $type $protocol " . ($made ? 0 : $! + 0)} = 1 if $made || $! != 1;
				}
				my $made = socketpair my $one, my $other, $family, $type | $flags, 0;
				$open{"pair $family $type 0 " . ($made ? 0 : $! + 0)} = 1 if $made || $! != 1;
			}
		}
	}
	return join "\n", sort keys %open;
}

my %commands = (sockets => \&sockets, call => \&call, reach => \&reach, ask => \&ask, processes => \&processes, memory => \&memory,
	fill => \&fill, files => \&files);
my $command = shift;
if ($command eq 'call') { call($_) for @ARGV; }
else { print $commands{$command}->(@ARGV), "\n"; }
