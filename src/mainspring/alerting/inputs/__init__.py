"""What monitors judge by: facts and history read from the store, kept between evaluations."""
