"""What this process has of the machine below it: memory, disk, files, time, other processes."""
