"""The exercises of the course: the learner's functions, the functions of quatnet, typical mistakes and explanations."""
