from __future__ import annotations

from django.db import models


class Person(models.Model):
    name = models.CharField(max_length=200)
    user_name = models.CharField(max_length=200)


class Task(models.Model):
    number = models.IntegerField(unique=True)
    summary = models.CharField(max_length=200)
    description = models.TextField()
    type = models.CharField(max_length=50)
    status = models.CharField(max_length=50)
    priority = models.CharField(max_length=50)
    due = models.DateField()
    done = models.BooleanField()
    archived = models.BooleanField()
    version = models.IntegerField()
    created = models.DateTimeField()
    updated = models.DateTimeField()
    labels = models.JSONField()
    checklist = models.JSONField()
    creator = models.ForeignKey(Person, models.PROTECT, related_name="+")
    assignees = models.ManyToManyField(Person, related_name="+")
