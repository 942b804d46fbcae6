"""Chapter 4: deep regression with a shortcut round every layer (IRNet). Not built yet."""
