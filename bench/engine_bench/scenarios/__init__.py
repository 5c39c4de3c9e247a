"""What the contenders are asked, and which figures of the answers count."""
