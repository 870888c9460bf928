"""Lists of pictures: read, edit in one or several processes, resume, show."""
