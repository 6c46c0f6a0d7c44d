"""Small runs with known answers, with which the accuracy of a judge is measured."""
