"""What a region is: definitions, atlases, nilearn's maskers and their weights."""
