"""The images that agents work in: one list of pins, from which every definition is generated."""
