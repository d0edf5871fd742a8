"""What is read: runs, images and confounds."""
