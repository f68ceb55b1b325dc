# Exchanges a directory and a link, without pause, until one of the two is gone; then the next pair. Those that it
# starts with are found below a directory that is open already, so they are followed wherever that one is moved.
# usage: perl swap.pl FD, whose directory has pairs called d1, s1, d2, s2...; ends with its input, and says then how many
# exchanges it made, and how many pairs went while they were being exchanged.
use strict;
use warnings;
use IO::Select;

my ($fd) = @ARGV;
my ($renameat2, $exchange) = (316, 2);
opendir my $dir, "/proc/self/fd/$fd" or die "opendir: $!";
# In the order in which a remover will find them.
my (%met, @numbers);
for (readdir $dir) { push @numbers, $1 if /^[ds](\d+)$/ && !$met{$1}++; }
closedir $dir;

$| = 1;
my $input = IO::Select->new(\*STDIN);
my ($swaps, $raced) = (0, 0);
PAIR: for my $number (@numbers) {
	my ($one, $other, $before) = ("d$number", "s$number", $swaps);
	print "ready\n" if $number == $numbers[0];
	while (syscall($renameat2, $fd + 0, $one, $fd + 0, $other, $exchange) == 0) {
		last PAIR if ++$swaps % 4096 == 0 && $input->can_read(0);
	}
	die "renameat2: $!" unless $!{ENOENT};
	$raced++ if $swaps > $before;
}
<STDIN>;
print "$swaps $raced\n";
