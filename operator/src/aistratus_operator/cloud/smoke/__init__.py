"""One short life of a deployment on a real account, and what it showed: `aistratus smoke`.

`run` is the way through it, `steps` what it does, `removal` what always comes last. `bounds` says
before what it may cost, `guest` signs a temporary user in, `journey` asks and takes the instance
away, `expectations` are the named checks, `looking` judges those that only AWS can tell, `page`
writes the result.
"""
