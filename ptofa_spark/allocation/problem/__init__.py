"""What is asked: funds, demands, classes of users, what makes a campaign feasible, and how a user chooses."""
