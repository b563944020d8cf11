"""What DICOMweb needs beside the other capabilities: resources by their UIDs, metadata kept ready, frames."""
