import { createRouter, createWebHashHistory, type RouteRecordRaw } from 'vue-router'

import StudyList from './list/StudyList.vue'

// After the "#", so that the pages work below any path and behind any proxy.
const routes: RouteRecordRaw[] = [
  { path: '/', component: StudyList, name: 'studies' },
  { path: '/filtered-studies', redirect: (to) => ({ name: 'studies', query: to.query }) },
  { path: '/studies/:id', component: () => import('./study/StudyPage.vue'), name: 'study', props: true },
  { path: '/view/:id/:series?', component: () => import('./viewer/ViewerPage.vue'), name: 'viewer', props: true },
  { path: '/upload', component: () => import('./upload/UploadPage.vue'), name: 'upload' },
  { path: '/query', component: () => import('./query/QueryPage.vue'), name: 'query' },
  { path: '/worklists', component: () => import('./worklists/WorklistsPage.vue'), name: 'worklists' },
  { path: '/jobs', component: () => import('./jobs/JobsPage.vue'), name: 'jobs' },
  { path: '/network', component: () => import('./network/NetworkPage.vue'), name: 'network' },
  { path: '/system', component: () => import('./system/SystemPage.vue'), name: 'system' },
  { path: '/settings', redirect: { name: 'system' } },
  { path: '/:rest(.*)*', component: () => import('./pages/NotFound.vue') },
]

export const router = createRouter({ history: createWebHashHistory(), routes })
