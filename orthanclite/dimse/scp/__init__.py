"""The services that peers may ask for (SCP), one module each."""
