def report_study(project, study):
    return "todo"
