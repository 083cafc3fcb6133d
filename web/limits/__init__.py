"""How much one caller, one address and the whole process may ask for."""
