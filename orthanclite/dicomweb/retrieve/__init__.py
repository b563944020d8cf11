"""What is stored, as a client asks for it: WADO-RS, and WADO-URI."""
