"""What inference reads: images, videos, boxes, cameras."""
