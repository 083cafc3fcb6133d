"""What is read and changes nothing: orders, lists, figures, the operators' overview."""
