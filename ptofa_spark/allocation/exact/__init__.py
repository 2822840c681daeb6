"""The certified optimum: prices from a sample, the room they get, the core of undecided users, the price loop."""
