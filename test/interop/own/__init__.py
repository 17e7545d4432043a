"""A second writer of Tallystick's formats, made from docs/formats.md alone; it shares no code with the TypeScript."""
