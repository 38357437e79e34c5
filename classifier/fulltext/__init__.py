"""Full text of citing works: one reader a format, all to one ``Document``, from which passages are taken."""
