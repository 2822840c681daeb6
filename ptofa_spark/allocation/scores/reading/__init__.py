"""The inputs of `allocate`: the funds and demands of a campaign, and the scores in either form, checked as read."""
