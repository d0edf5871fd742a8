"""What is computed: volumes kept, signals extracted, signals cleaned."""
