"""From a picture and a caption to candidate boxes."""
