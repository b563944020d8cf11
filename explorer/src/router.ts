import { createRouter, createWebHashHistory, type RouteRecordRaw } from 'vue-router'

import { formerRoutes } from './former'
import StudyList from './list/StudyList.vue'

const viewer = () => import('./viewer/ViewerPage.vue')
// It is large: who comes to look at pictures has it fetched while the server is asked what it offers.
if (location.hash.startsWith('#/view/')) {
  for (const part of [viewer(), import('./viewer/StackPane.vue')]) part.catch(() => undefined) // asked for again then
}

// After the "#", so that the pages work below any path and behind any proxy.
const routes: RouteRecordRaw[] = [
  { path: '/', component: StudyList, name: 'studies' },
  { path: '/studies/:id', component: () => import('./study/StudyPage.vue'), name: 'study', props: true },
  { path: '/patients/:id', component: () => import('./pages/LeadOn.vue'), name: 'patient', props: (to) => ({ level: 'Patient', id: to.params.id }) },
  { path: '/series/:id', component: () => import('./pages/LeadOn.vue'), name: 'series', props: (to) => ({ level: 'Series', id: to.params.id }) },
  { path: '/instances/:id', component: () => import('./pages/LeadOn.vue'), name: 'instance', props: (to) => ({ level: 'Instance', id: to.params.id }) },
  { path: '/view/:id/:series?', component: viewer, name: 'viewer', props: true },
  { path: '/upload', component: () => import('./upload/UploadPage.vue'), name: 'upload' },
  { path: '/query', component: () => import('./query/QueryPage.vue'), name: 'query' },
  { path: '/retrieve-and-view', component: () => import('./query/RetrievePage.vue'), name: 'retrieve' },
  { path: '/worklists', component: () => import('./worklists/WorklistsPage.vue'), name: 'worklists' },
  { path: '/jobs', component: () => import('./jobs/JobsPage.vue'), name: 'jobs' },
  { path: '/network', component: () => import('./network/NetworkPage.vue'), name: 'network' },
  { path: '/system', component: () => import('./system/SystemPage.vue'), name: 'system' },
  ...formerRoutes,
  { path: '/:rest(.*)*', component: () => import('./pages/NotFound.vue') },
]

export const router = createRouter({ history: createWebHashHistory(), routes })
